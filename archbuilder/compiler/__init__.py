"""Compile a program into a graph: check it, bind parameters, inline blocks, unroll loops."""
