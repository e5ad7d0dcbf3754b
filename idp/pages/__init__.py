"""Server-rendered pages: templates, one stylesheet; they work without scripts."""
