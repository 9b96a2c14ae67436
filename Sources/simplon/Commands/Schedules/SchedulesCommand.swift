import ArgumentParser

/// `simplon schedules`: what runs by itself, and when.
struct SchedulesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schedules", abstract: "Say what shall run by itself on a running server, and when.",
    subcommands: [SchedulesList.self, SchedulesShow.self, SchedulesAdd.self, SchedulesRemove.self])
}
