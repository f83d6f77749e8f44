"""The file format of exported studies: its lines, reading and checking them."""
