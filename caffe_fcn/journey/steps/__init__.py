"""The steps of a journey, one module each, in their order: data, net, weights, check, train, evaluate, bundle."""
