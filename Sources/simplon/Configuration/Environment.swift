import ArgumentParser

/// Which of a user's projects is meant, by `--env`.
enum Environment: String, ExpressibleByArgument, CaseIterable, Sendable { case dev, prod }
