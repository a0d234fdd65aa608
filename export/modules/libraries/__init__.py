"""The neurons of other libraries, one file a library; `table` finds them. None of the libraries is imported."""
