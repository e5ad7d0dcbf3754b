"""The relay of a room: its tablets' papers and live lines over few connections to the province. It decides no right."""
