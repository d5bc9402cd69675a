"""`python -m safetyrepro`: the same as the command `safetyrepro`."""

from safetyrepro.cli import main

if __name__ == "__main__":
    main()
