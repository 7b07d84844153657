"""The sections of a report, a function each: it takes the report and returns markup."""
