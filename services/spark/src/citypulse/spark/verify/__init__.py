"""Are the tables right? An independent recount, and the comparison, cell by cell."""
