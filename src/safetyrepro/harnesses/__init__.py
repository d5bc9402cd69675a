"""Other evaluation packages: how to run each as a program and how to read what it wrote."""
