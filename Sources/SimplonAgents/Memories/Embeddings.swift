import SimplonCore

/// Vectors of texts, from OpenAI or from a server that speaks its embeddings.
package struct Embeddings: Sendable {
  /// How the server is reached.
  package struct Configuration: Sendable {
    /// Where the API is, before `/embeddings`, with no slash at the end.
    package var url: String
    /// The key, sent as `Authorization: Bearer`; nil for a server that asks for none.
    package var key: ModelKey?
    /// The server's name for the model, whose vectors have 1,536 numbers.
    package var model: String

    /// Makes a configuration.
    package init(url: String = "https://api.openai.com/v1", key: ModelKey?, model: String) {
      self.url = url
      self.key = key
      self.model = model
    }
  }

  /// Numbers of a vector, as the tables have them.
  package static let dimensions = 1536
  /// Bytes of an answer: a number takes some 20, a vector of 1,536 some 30,000.
  private static let largestAnswer = 16 << 20

  private let configuration: Configuration
  private let transport: ModelTransport

  /// Makes them; nothing is sent yet.
  ///
  /// - Parameters:
  ///   - configuration: how the server is reached.
  ///   - transport: sends the requests; it must outlive this.
  package init(configuration: Configuration, transport: ModelTransport) {
    self.configuration = configuration
    self.transport = transport
  }

  /// The vectors of texts, in their order.
  ///
  /// - Parameter texts: none of them empty, at most some hundred.
  /// - Returns: of each text ``dimensions`` numbers.
  /// - Throws: `model.*` as a call of a model does, `model.protocol` also for vectors of another length.
  /// - Source: OpenAI, "Create embeddings"; its models whose names begin with `text-embedding-3` take `dimensions`,
  ///   which others refuse.
  func vectors(of texts: [String]) async throws(SimplonError) -> [[Float]] {
    var body: [String: JSON] = [
      "input": .array(texts.map(JSON.string)), "model": .string(configuration.model), "encoding_format": "float",
    ]
    if configuration.model.hasPrefix("text-embedding-3") { body["dimensions"] = .integer(Self.dimensions) }
    let answer = try await transport.exchange(
      .object(body), with: "\(configuration.url)/embeddings", headers: configuration.key.bearer,
      limit: Self.largestAnswer)
    guard answer.isGood else { throw VendorError.chatCompletions(answer, hiding: configuration.key) }
    return try Self.read(answer.body, count: texts.count)
  }

  /// The vectors of an answer, by what each says of its place.
  static func read(_ body: [UInt8], count: Int) throws(SimplonError) -> [[Float]] {
    guard let data = (try? JSON(parsing: body))?["data"]?.array, data.count == count else {
      throw SimplonError(.modelProtocol, "the answer has not one vector for each text", retry: .backoff)
    }
    var vectors = [[Float]](repeating: [], count: count)
    for (place, item) in data.enumerated() {
      let numbers = (item["embedding"]?.array ?? []).compactMap { number -> Float? in
        guard case .number(let text) = number, let value = Float(text), value.isFinite else { return nil }
        return value
      }
      let said = item["index"] == nil ? place : item["index"]?.integer
      guard let index = said, vectors.indices.contains(index) else {
        throw SimplonError(.modelProtocol, "a vector of the answer has no place among the texts", retry: .backoff)
      }
      guard numbers.count == dimensions else {
        throw SimplonError(
          .modelProtocol, "a vector of the answer has \(numbers.count) numbers, and \(dimensions) are wanted",
          hint: "Choose a model of that size: SIMPLON_EMBEDDINGS_MODEL.")
      }
      vectors[index] = numbers
    }
    guard vectors.allSatisfy({ !$0.isEmpty }) else {
      throw SimplonError(.modelProtocol, "a text has no vector in the answer", retry: .backoff)
    }
    return vectors
  }
}
