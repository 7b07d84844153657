"""Training by the torch engine, as Caffe's solvers train.

- `launcher`: `TorchTraining`, a running training, which starts a `worker` process for each rank and reads its log
- `worker`: the program of such a process; `distributed`: how the processes share batches and sum gradients
- `solver`: `Solver`, the loop of iterations, tests and snapshots
- `net_runner`: a net that runs on the batches of its data layers; `divergence`: where a NaN began
- `optimizer`: from gradients to new weights; `update_rules`, `learning_rates`: types of solvers, policies of rates
- `snapshots`: the weights of a snapshot (its other file is a `solver_state`); `log_lines`: events as lines of the log
"""
