import FoundationEssentials
import SimplonAgents
import SimplonCore

extension Diagnosis {
  /// Whether each model's server is there and takes its key.
  func models() async -> [Finding] {
    var findings = [Finding]()
    for endpoint in installation.settings.models.endpoints { findings.append(await model(endpoint)) }
    guard findings.isEmpty else { return findings }
    return [
      Finding(
        .model, .skipped, "none is configured: plans run, prompts wait", .modelNotConfigured,
        hint: "Set ANTHROPIC_API_KEY, or OPENAI_API_KEY, or OPENAI_BASE_URL of a compatible server.")
    ]
  }

  private func model(_ endpoint: ModelSettings.Endpoint) async -> Finding {
    do {
      try await ModelCheck.ask(
        endpoint.dialect, url: endpoint.url, key: endpoint.key, version: endpoint.version)
      return Finding(.model, .ok, "\(endpoint.host) answers\(endpoint.key == nil ? "" : " and takes the key")")
    } catch {
      let isPassing = [SimplonError.Code.modelRateLimited, .modelOverloaded].contains(error.code)
      return Finding(
        .model, isPassing ? .warning : .problem, "\(endpoint.host): \(error.message)", error.code,
        hint: error.hint ?? "Check the model's URL, and whether this machine may reach it: curl -I URL")
    }
  }
}
