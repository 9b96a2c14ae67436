import ArgumentParser
import SimplonCore

/// `simplon schedules list`.
struct SchedulesList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List your schedules, the last one first.")

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let answer = try await server.client().call(.get, "/api/v1/schedules", query: ["limit": "1000"])
    guard !server.json else { return try Print.out(answer) }
    for schedule in answer["schedules"]?.array ?? [] {
      let rhythm = schedule["cron"]?.string ?? "every \(schedule["every"]?.string ?? "")"
      let next = schedule["next_due"]?.string.map { "next \($0.prefix(19))" } ?? "rests"
      let name = Print.padded(schedule["name"]?.string ?? "", to: 24)
      try Print.out(Print.clean("\(name)  \(Print.padded(rhythm, to: 20))  \(next)"))
    }
  }
}
