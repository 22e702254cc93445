"""The terminal under the screen: harmless text, glyphs, the clipboard. Knows no Textual."""
