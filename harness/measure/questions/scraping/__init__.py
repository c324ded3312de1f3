"""What scrapes cost the lines that are handled meanwhile."""
