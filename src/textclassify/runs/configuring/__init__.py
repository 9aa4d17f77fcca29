"""What `Config` is made of: files, keys, problems in words, the schema for editors, the published form."""
