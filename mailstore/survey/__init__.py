"""Who uses how much: many accounts counted in one run, for tables, history, HTML pages and monitoring."""
