"""Read YAML into nodes that know their location, within limits."""
