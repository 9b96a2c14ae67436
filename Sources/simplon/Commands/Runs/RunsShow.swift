import ArgumentParser
import SimplonCore

/// `simplon runs show`.
struct RunsShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a run with its steps and artifacts.")

  @Flag(help: "Show what was said, too.")
  var messages = false

  @OptionGroup var target: RunArgument
  @OptionGroup var server: ServerOptions

  func run() async throws {
    let client = try await server.client()
    let lists = ["steps", "artifacts"] + (messages ? ["messages"] : [])
    let run = try await client.run(target.run, including: lists)
    guard !server.json else { return try Print.out(run) }
    let status = Print.clean(run["status"]?.string ?? "")
    try Print.out("\(Print.mark(status)) run \(target.run) \(status), attempt \(run["attempt"]?.integer ?? 1)")
    if let origin = run["forked_from"]?.string { try Print.out("  forked from \(Print.clean(origin))") }
    if let parent = run["parent_id"]?.string { try Print.out("  made by \(Print.clean(parent))") }
    for name in ["reason", "error"] {
      if let message = run[name]?["message"]?.string { try Print.out("  \(Print.clean(message))") }
    }
    for step in try await client.all("steps", of: run) {
      let status = step["status"]?.string ?? ""
      let words = "\(step["step_id"]?.string ?? "")  \(step["tool"]?.string ?? "")  \(status)"
      try Print.out("  \(Print.mark(status)) \(Print.clean(words))")
      for line in OpenQuestion(step)?.lines(run: target.run) ?? [] { try Print.out("      \(Print.clean(line))") }
    }
    for artifact in try await client.all("artifacts", of: run) {
      let (path, size) = (artifact["path"]?.string ?? "", artifact["size"]?.integer ?? 0)
      try Print.out("  " + Print.clean("artifact \(path)  \(size) bytes  \(artifact["url"]?.string ?? "")"))
    }
    for message in messages ? try await client.all("messages", of: run) : [] {
      let content = message["content"]
      let calls = (content?["calls"]?.array ?? []).compactMap { $0["name"]?.string }
      let text = content?["text"]?.string ?? "results"
      try Print.out(
        "  \(Print.dim(Print.clean(message["role"]?.string ?? "") + ":")) \(Print.clean(text))"
          + (calls.isEmpty ? "" : " → \(Print.clean(calls.joined(separator: ", ")))"))
    }
    if let answer = run["result"]?["answer"]?.string, run["result"]?.object?.count == 1 {
      for line in answer.split(separator: "\n", omittingEmptySubsequences: false) {
        try Print.out("  \(Print.clean(String(line)))")
      }
      return
    }
    if let result = run["result"], !result.isNull { try Print.out("  result \(Print.clean(result.text))") }
  }
}
