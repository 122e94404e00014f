"""What tests hold to a bound and benchmarks print: measures of tracked video."""
