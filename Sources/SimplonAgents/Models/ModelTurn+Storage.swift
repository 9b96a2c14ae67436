package import SimplonCore

/// How a turn is kept: `{"v":1,"model":"anthropic/…","blocks":[{"type":"text"|"call"|"opaque",…}]}`.
extension ModelTurn {
  /// Deeper than what a vendor's event may nest, as the turn stands around it.
  private static let depth = 160

  /// The turn as JSON text, the same for the same turn; every string of it comes back byte by byte.
  package var bytes: [UInt8] {
    let blocks = blocks.map { block -> JSON in
      switch block {
      case .text(let text): ["type": "text", "text": .string(text)]
      case .call(let call):
        ["type": "call", "id": .string(call.id), "name": .string(call.name), "input": call.input ?? .null]
      case .opaque(let json): ["type": "opaque", "json": json]
      }
    }
    let json: JSON = ["v": 1, "model": .string(model.description), "blocks": .array(blocks)]
    return json.utf8
  }

  /// Reads a stored turn.
  ///
  /// - Throws: `database.decoding` when it is none, or one of a later version.
  package init(bytes: some Sequence<UInt8>) throws(SimplonError) {
    let json: JSON
    do {
      json = try JSON(parsing: bytes, depth: Self.depth)
    } catch {
      throw SimplonError(.databaseDecoding, "a stored turn of a model is no JSON", cause: error)
    }
    var fields = try Fields(json, "a stored turn", code: .databaseDecoding)
    guard try fields.integer("v", in: 1...1) == 1 else { throw fields.wrong("v", "is missing") }
    guard let name = try fields.string("model"), let model = ModelName(name) else {
      throw fields.wrong("model", "is no model's name")
    }
    guard let items = fields.json("blocks")?.array else { throw fields.wrong("blocks", "must be an array") }
    try fields.finish()
    var blocks = [Block]()
    for item in items { blocks.append(try Self.block(item)) }
    self.init(model: model, blocks: blocks)
  }

  private static func block(_ json: JSON) throws(SimplonError) -> Block {
    var fields = try Fields(json, "a block of a stored turn", code: .databaseDecoding)
    let block: Block
    switch try fields.string("type") {
    case "text":
      guard let text = try fields.string("text") else { throw fields.wrong("text", "is missing") }
      block = .text(text)
    case "call":
      guard let id = try fields.string("id"), let name = try fields.string("name") else {
        throw fields.wrong("id", "or \"name\" is missing")
      }
      block = .call(Call(id: id, name: name, input: fields.json("input")))
    case "opaque":
      guard let opaque = fields.json("json") else { throw fields.wrong("json", "is missing") }
      block = .opaque(opaque)
    default: throw fields.wrong("type", "is none that is known")
    }
    try fields.finish()
    return block
  }
}
