"""Commands of the program, one file each: parse, call one function, print."""
