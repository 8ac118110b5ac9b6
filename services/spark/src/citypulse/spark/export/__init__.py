"""Windows and hours as files: `select` (which rows), `files` (CSV and Parquet), `command`."""
