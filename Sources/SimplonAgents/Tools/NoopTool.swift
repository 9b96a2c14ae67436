import SimplonCore

/// `noop`: does nothing and gives its input back; for tests, benchmarks and joints in a plan.
enum NoopTool {
  static let declaration = ToolDeclaration(
    name: "noop", summary: "Does nothing; its output is its input.", inputSchema: ["type": "object"], effect: .pure,
    usesFiles: false, timeout: .seconds(60), maximumTimeout: .seconds(86_400))

  static func run(_ call: ToolCall) -> ToolResult { ToolResult(output: call.input) }
}
