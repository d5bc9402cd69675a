"""safetyrepro: is a safety verdict a property of the models, or of the configuration?"""

__version__ = "0.1.0"
