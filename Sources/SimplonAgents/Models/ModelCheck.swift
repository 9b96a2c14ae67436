package import SimplonCore

/// Finds out whether a model's server is there and takes our key, by its list of models: that costs nothing.
package enum ModelCheck {
  /// Asks for the list.
  ///
  /// - Parameters:
  ///   - dialect: the wire format.
  ///   - url: where the API is, as in the configuration of the dialect's model: before `/v1/models` of Anthropic's, and
  ///     before `/models` of chat completions'.
  ///   - key: the key; nil for a server that asks for none.
  ///   - version: the header `anthropic-version`; nil for chat completions, which have none.
  ///   - limit: how long it may take.
  /// - Throws: `model.*` as a call of the model would; `config.invalid` for an impossible URL; `run.interrupted`.
  /// - Source: Anthropic, "List Models"; OpenAI, "List models".
  package static func ask(
    _ dialect: ModelName.Dialect, url: String, key: ModelKey?, version: String?, within limit: Duration = .seconds(10)
  ) async throws(SimplonError) {
    var limits = ModelTransport.Limits()
    limits.connect = min(limits.connect, limit)
    limits.stall = limit
    limits.deadline = limit
    var headers = [(name: String, value: String)]()
    let address: String
    switch dialect {
    case .anthropic:
      address = "\(url)/v1/models"
      if let version { headers.append((name: "anthropic-version", value: version)) }
      if let key { headers.append((name: "x-api-key", value: key.text)) }
    case .openai:
      address = "\(url)/models"
      headers += key.bearer
    }
    let answer: ModelAnswer
    do {
      answer = try await ModelTransport.with(limits: limits) { [headers] transport in
        try await transport.get(address, headers: headers)
      }
    } catch {
      throw SimplonError(wrapping: error)
    }
    guard answer.isGood else {
      switch dialect {
      case .anthropic: throw VendorError.anthropic(answer, hiding: key)
      case .openai: throw VendorError.chatCompletions(answer, hiding: key)
      }
    }
    guard answer.headers["content-type"]?.lowercased().contains("json") == true else {
      throw SimplonError(
        .modelProtocol, "what answers at the model's address has no list of models",
        hint: "Check the model's URL: it must lead to an API, not to a page.")
    }
  }
}
