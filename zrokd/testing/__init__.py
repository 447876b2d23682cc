"""Kit for plugin authors: fixtures, contract suites, a whole zrokd in one process."""
