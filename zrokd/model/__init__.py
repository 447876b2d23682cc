"""The nouns: frozen dataclasses and enums. Standard library only, no I/O."""
