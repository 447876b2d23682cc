"""The plugins that come with zrokd; they use the same door as anybody's."""
