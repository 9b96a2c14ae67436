import FoundationEssentials
import SimplonAgents
import SimplonCore

/// Which models there are, in the order in which they are asked, and how they are reached.
struct ModelSettings: Sendable {
  /// One vendor's server.
  struct Endpoint: Sendable {
    let dialect: ModelName.Dialect
    /// Where it is, as ``ModelCheck`` takes it.
    let url: String
    let key: ModelKey?
    /// The header `anthropic-version`, where the dialect has it.
    var version: String?

    /// Its host, for a person: an address may hold more than that.
    var host: String { URL(string: url)?.host() ?? "the model's server" }
  }

  private var names: [ModelName] = []
  private var anthropic: AnthropicModel.Configuration?
  private var openAI: ChatCompletionsModel.Configuration?

  /// Reads them from the configuration.
  ///
  /// - Throws: `config.invalid`.
  init(_ reader: SettingsReader) throws(SimplonError) {
    if let key = try reader.modelKey(.anthropicKey) {
      var configuration = AnthropicModel.Configuration(key: key)
      configuration.url = try reader.required(.anthropicURL, reader.address)
      configuration.version = try reader.required(.anthropicVersion, reader.text)
      anthropic = configuration
      names.append(ModelName(.anthropic, "claude-sonnet-4-5"))
    }
    let key = try reader.modelKey(.openAIKey)
    if let url = reader.address(.openAIURL) {
      openAI = ChatCompletionsModel.Configuration(url: url, key: key)
    } else if key != nil {
      openAI = ChatCompletionsModel.Configuration(key: key)
    }
    if openAI != nil { names.append(ModelName(.openai, "gpt-5")) }
    let chosen = reader.list(.modelNames)
    guard !chosen.isEmpty else { return }
    names = []
    for text in chosen {
      guard let name = ModelName(text) else {
        throw Self.wrong("has \"\(text.prefix(80))\"; a model is anthropic/NAME or openai/NAME")
      }
      switch name.dialect {
      case .anthropic: if anthropic == nil { throw Self.wrong("names \(name), and ANTHROPIC_API_KEY is not set") }
      case .openai:
        if openAI == nil { throw Self.wrong("names \(name), and neither OPENAI_API_KEY nor OPENAI_BASE_URL is set") }
      }
      names.append(name)
    }
  }

  /// The servers that are configured.
  var endpoints: [Endpoint] {
    [
      anthropic.map { Endpoint(dialect: .anthropic, url: $0.url, key: $0.key, version: $0.version) },
      openAI.map { Endpoint(dialect: .openai, url: $0.url, key: $0.key) },
    ].compactMap(\.self)
  }

  /// What asks them over a transport, which must outlive it.
  func router(_ transport: ModelTransport) -> ModelRouter {
    ModelRouter(
      names.compactMap { name -> (any Model)? in
        switch name.dialect {
        case .anthropic: anthropic.map { AnthropicModel(name.model, configuration: $0, transport: transport) }
        case .openai: openAI.map { ChatCompletionsModel(name.model, configuration: $0, transport: transport) }
        }
      })
  }

  private static func wrong(_ what: String) -> SimplonError {
    SimplonError(.configInvalid, "SIMPLON_MODELS \(what)", details: ["key": "SIMPLON_MODELS"])
  }
}

extension SettingsReader {
  /// A vendor's key.
  func modelKey(_ setting: Setting) throws(SimplonError) -> ModelKey? {
    guard let text = text(setting) else { return nil }
    return try ModelKey(text)
  }

  /// A URL without slashes at its end.
  func address(_ setting: Setting) -> String? {
    text(setting).map { String($0.reversed().drop { $0 == "/" }.reversed()) }
  }
}
