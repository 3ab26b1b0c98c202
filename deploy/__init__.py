"""What an installation needs beside the product: the database's role, pinned images."""
