"""One contract suite per slot; subclass it and give it your component."""
