"""Writers of sections: terminal, Markdown and HTML."""
