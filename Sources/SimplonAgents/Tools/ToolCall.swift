package import FoundationEssentials
package import SimplonCore

/// One attempt at one step.
package struct ToolCall: Sendable {
  /// The step's run.
  package var runID: UUID
  /// The step.
  package var stepID: String
  /// Counts from 1.
  package var attempt: Int
  /// The run's owner, whose files the step sees and makes; nil for a run of the service.
  package var userID: UUID?
  /// The only connectors that the run may use; nil means all that serve its owner.
  package var connectors: [String]?
  /// The step's input, its expressions resolved.
  package var input: JSON
  /// How long it may take; more than the tool's maximum is cut to it.
  package var timeout: Duration
  /// The layers of all steps that this one needs, directly or not.
  package var layers: LayerStack
  /// The run's lease.
  package var lease: Lease

  /// Makes a call.
  package init(
    runID: UUID, stepID: String, attempt: Int, userID: UUID?, connectors: [String]? = nil, input: JSON,
    timeout: Duration, layers: LayerStack, lease: Lease
  ) {
    self.runID = runID
    self.stepID = stepID
    self.attempt = attempt
    self.userID = userID
    self.connectors = connectors
    self.input = input
    self.timeout = timeout
    self.layers = layers
    self.lease = lease
  }
}

/// What a call left.
package struct ToolResult: Sendable {
  /// What later steps see as `steps.ID.output`.
  package var output: JSON
  /// Why the step failed: `tool.failed`, `tool.timeout`, `tool.limit`, `tool.input`, `tool.path`, `tool.egress`,
  /// `tool.connector` or `run.artifact_conflict`; nil when it succeeded.
  package var error: SimplonError?
  /// The files it left; nil when it changed none.
  ///
  /// A failed program's files are kept too.
  package var layer: LayerManifest?
  /// The layer's name in the blob store, where it is already.
  package var layerHash: String?

  init(output: JSON, error: SimplonError? = nil, layer: LayerManifest? = nil, layerHash: String? = nil) {
    self.output = output
    self.error = error
    self.layer = layer
    self.layerHash = layerHash
  }
}
