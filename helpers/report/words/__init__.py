"""Every sentence of the report, a language a folder, as TOML by key; `helpers.base.words` reads and sets them."""
