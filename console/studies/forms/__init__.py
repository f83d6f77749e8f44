"""Pages with a form about one study."""
