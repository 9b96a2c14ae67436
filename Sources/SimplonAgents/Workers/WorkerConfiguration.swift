/// How a worker works.
package struct WorkerConfiguration: Sendable {
  /// Runs at once.
  package var slots = 64
  /// Runs of one user that may be at work at once, with all workers together; nil: no limit.
  package var runsPerUser: Int?
  /// Runs of all that may be at work at once, with all workers together; nil: no limit.
  package var runsTotal: Int?
  /// How long a run is the worker's without a heartbeat; at least one second.
  package var lease = Duration.seconds(30)
  /// How long running steps may go on after a stop was asked for.
  package var grace = Duration.seconds(20)
  /// How often the queue is looked at without being called.
  package var pollInterval = Duration.seconds(1)
  /// How often a worker that holds runs asks whether they are still its own; a stopped run ends within this time.
  package var checkInterval = Duration.seconds(1)
  /// How long what a model has said waits to be written together with the ends of the quick calls that it makes; see
  /// `docs/decisions/0016`.
  package var longestHold = Duration.milliseconds(3)
  /// How long events are kept; nil keeps them for ever.
  package var logRetention: Duration?
  /// How long finished runs are kept, with all that is theirs; nil keeps them for ever.
  package var runRetention: Duration?
  /// How long metrics of agents are kept per hour, before they are archived as one a day, and readings of the system's
  /// health at all; nil keeps them for ever.
  package var metricRetention: Duration?
  /// How long the audit log is kept; nil keeps it for ever.
  package var auditRetention: Duration?
  /// After how long without a sign of life a registered agent is offline.
  package var agentTimeout = Duration.seconds(300)
  /// What questions to models may cost.
  package var caps = SpendingCaps()
  /// How much may wait before schedules make no further runs.
  package var intake = IntakeLimits()
  /// Whether webhooks may be on this machine and in private networks.
  package var webhooksAllowPrivate = false
  /// The name that others see, such as the host's.
  package var name: String
  /// The binary's version.
  package var version: String

  /// Makes a configuration with the defaults.
  package init(name: String, version: String) {
    self.name = name
    self.version = version
  }
}
