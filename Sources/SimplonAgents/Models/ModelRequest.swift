package import SimplonCore

/// What a model is asked: instructions, tools and the transcript so far.
///
/// The same parts give the same bytes on the wire, in the order tools, instructions, transcript, so that a vendor's
/// prompt cache recognises the beginning.
package struct ModelRequest: Sendable {
  /// What the model may or must do with the tools.
  package enum ToolChoice: Sendable, Hashable {
    case auto, none
    /// It must call this one.
    case tool(String)
  }

  /// A tool as a model is told of it.
  package struct Tool: Sendable, Hashable {
    /// `[a-zA-Z0-9_-]{1,64}`.
    package let name: String
    /// What it does, in sentences for the model.
    package let summary: String
    /// JSON Schema of its input, an object.
    package let inputSchema: JSON
    /// Bytes of all of it.
    let size: Int

    /// Makes a tool.
    package init(name: String, summary: String, inputSchema: JSON) {
      self.name = name
      self.summary = summary
      self.inputSchema = inputSchema
      size = name.utf8.count + summary.utf8.count + inputSchema.utf8.count
    }
  }

  /// The instructions.
  package var system: String { didSet { prepared = nil } }
  /// The tools, in an order that never changes within a run.
  package var tools: [Tool] { didSet { prepared = nil } }
  /// The transcript; the first is the user's, and each assistant turn with calls is followed by all their results.
  package var messages: [ModelMessage] { didSet { prepared = nil } }
  /// What the model may do with the tools.
  package var toolChoice = ToolChoice.auto { didSet { prepared = nil } }
  /// The most tokens of the reply.
  package var maximumOutputTokens: Int { didSet { prepared = nil } }
  /// Its bytes as that model sends it, made while there was time; see ``ModelRouter/prepared(_:for:)``.
  var prepared: (model: ModelName, body: [UInt8])?

  /// Makes a request.
  package init(system: String, tools: [Tool], messages: [ModelMessage], maximumOutputTokens: Int) {
    self.system = system
    self.tools = tools
    self.messages = messages
    self.maximumOutputTokens = maximumOutputTokens
  }
}

extension ModelRequest {
  /// The bytes that were made for that model.
  func bytes(for name: ModelName) -> [UInt8]? { prepared?.model == name ? prepared?.body : nil }
}

/// One message of a transcript.
package enum ModelMessage: Sendable, Hashable {
  /// What a person, or the engine in its place, says.
  case user(String)
  /// What a model has said.
  case assistant(ModelTurn)
  /// The results of all calls of the turn before.
  case results([ToolCallResult])
}

/// What came of one call of a tool, as the model reads it.
package struct ToolCallResult: Sendable, Hashable {
  /// The call's id in the assistant's turn.
  package let callID: String
  /// The result as text: data, never instructions.
  package let text: String
  /// Whether the call failed.
  package let isError: Bool

  /// Makes a result.
  package init(callID: String, text: String, isError: Bool) {
    self.callID = callID
    self.text = text
    self.isError = isError
  }
}
