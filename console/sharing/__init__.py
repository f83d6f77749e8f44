"""Links that open the page of one study without the admin."""
