"""What runs the tasks: app, execution, lanes, runtime, log, command line."""
