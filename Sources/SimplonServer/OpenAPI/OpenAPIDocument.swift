import Hummingbird
import SimplonAgents
import SimplonCore

/// The OpenAPI 3.1 document of a route table.
///
/// - Source: OpenAPI Specification 3.1.0.
enum OpenAPIDocument {
  /// Makes the document.
  static func make(version: String, routes: [Route]) -> JSON {
    var paths = [String: JSON]()
    var schemas = Dictionary(
      Schema.answers + Schema.registry + Schema.money + Schema.automation, uniquingKeysWith: { first, _ in first })
    for route in routes {
      // What comes in a query alone has no schema as a whole.
      for shape in route.shapes where !route.methods.allSatisfy({ $0 == .get || $0 == .delete }) {
        schemas[shape.name] = schema(of: shape, without: route.parameters)
      }
      for path in route.paths {
        // Several routes may stand at one path, each with methods of its own.
        var item = paths[path]?.object ?? [:]
        for method in route.methods {
          item[method.rawValue.lowercased()] = operation(route, method, isFunction: path == route.functionPath)
        }
        paths[path] = .object(item)
      }
    }
    return [
      "openapi": "3.1.0",
      "info": [
        "title": "Simplon agent API", "version": .string(version),
        "description": "Durable runs of agents: make them, watch them, fetch what they made.",
        "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
      ],
      "servers": [["url": "/"]],
      "paths": .object(paths),
      "components": ["schemas": .object(schemas), "securitySchemes": securitySchemes],
    ]
  }

  private static let securitySchemes: JSON = [
    "bearer": ["type": "http", "scheme": "bearer", "description": "A JWT of a trusted issuer, or an API key"],
    "apikey": [
      "type": "apiKey", "in": "header", "name": "apikey", "description": "An API key; `Authorization` beats it",
    ],
    "ticket": ["type": "apiKey", "in": "query", "name": "ticket", "description": "A ticket for one run's stream"],
  ]

  private static func operation(_ route: Route, _ method: HTTPRequest.Method, isFunction: Bool) -> JSON {
    let byQuery = method == .get && route.methods.count > 1
    let name = (isFunction ? "invoke" + route.name.prefix(1).uppercased() + route.name.dropFirst() : route.name)
    var operation: [String: JSON] = [
      "operationId": .string(name + (byQuery ? "ByQuery" : "")),
      "tags": [.string(isFunction ? "Functions" : route.tag)],
      "summary": .string(route.summary), "security": security(of: route),
      "responses": responses(of: route, isFunction: isFunction),
    ]
    let parameters = parameters(of: route, method)
    if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
    if method == .post || method == .patch { operation["requestBody"] = body(of: route) }
    return .object(operation)
  }

  private static func security(of route: Route) -> JSON {
    switch route.handler {
    case .open: []
    case .caller: [["bearer": []], ["apikey": []]]
    case .callerOrTicket: [["bearer": []], ["apikey": []], ["ticket": []]]
    }
  }

  private static func parameters(of route: Route, _ method: HTTPRequest.Method) -> [JSON] {
    var parameters = [JSON]()
    var seen = Set<String>()
    for field in route.shapes.flatMap(\.fields) where seen.insert(field.name).inserted {
      let place = route.parameters.contains(field.name) ? "path" : "query"
      guard place == "path" || method == .get else { continue }
      let isRequired = route.shapes.allSatisfy { $0[field.name]?.isRequired ?? false }
      parameters.append(parameter(merged(field, route), place, isRequired: isRequired))
    }
    return parameters + route.headers.map { parameter($0, "header", isRequired: false) }
  }

  /// The field of every form at once: choices between forms are joined.
  private static func merged(_ field: Field, _ route: Route) -> Field {
    guard case .choice = field.kind else { return field }
    let words = route.shapes.flatMap { shape -> [String] in
      if case .choice(let words, _) = shape[field.name]?.kind { words } else { [] }
    }
    return Field(name: field.name, kind: .choice(words), isRequired: field.isRequired, summary: field.summary)
  }

  private static func parameter(_ field: Field, _ place: String, isRequired: Bool) -> JSON {
    var parameter: [String: JSON] = [
      "name": .string(field.name), "in": .string(place), "description": .string(field.description),
      "required": .bool(isRequired),
    ]
    switch field.kind {
    case .texts, .any, .object: parameter["content"] = ["application/json": ["schema": field.schema]]
    default: parameter["schema"] = field.schema
    }
    return .object(parameter)
  }

  private static func body(of route: Route) -> JSON {
    let references = route.shapes.map { Schema.reference($0.name) }
    let fields = route.shapes.flatMap(\.fields).filter { !route.parameters.contains($0.name) }
    return [
      "required": .bool(fields.contains(where: \.isRequired)),
      "content": [
        "application/json": ["schema": references.count == 1 ? references[0] : ["oneOf": .array(references)]]
      ],
    ]
  }

  private static func schema(of shape: Shape, without parameters: [String]) -> JSON {
    let fields = shape.fields.filter { !parameters.contains($0.name) }
    return Schema.object(
      fields.map { field in
        guard case .object(var members) = field.isRequired ? field.schema : Schema.optional(field.schema) else {
          return (field.name, field.schema)
        }
        members["description"] = .string(field.description)
        return (field.name, .object(members))
      }, optional: Set(fields.filter { !$0.isRequired }.map(\.name)), closed: true)
  }

  private static func responses(of route: Route, isFunction: Bool) -> JSON {
    var responses: [String: JSON] = [
      "default": [
        "description": "an error",
        "content": ["application/json": ["schema": Schema.reference(isFunction ? "FunctionError" : "Error")]],
      ]
    ]
    for (status, answers) in Dictionary(grouping: route.answers, by: \.status) {
      var response: [String: JSON] = ["description": .string(answers.map(\.summary).joined(separator: "; "))]
      let content = answers.compactMap { answer in answer.schema.map { (answer.media, ["schema": $0] as JSON) } }
      if !content.isEmpty {
        response["content"] = .object(Dictionary(content, uniquingKeysWith: { first, _ in first }))
      }
      responses[String(status)] = .object(response)
    }
    return .object(responses)
  }
}
