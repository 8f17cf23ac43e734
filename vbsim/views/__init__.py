"""Views: figures of a study."""
