// The command line as the commands describe it. CLI11 does the work; its headers are read by
// command_line.cpp and main.cpp alone, because they take longer to compile than any command.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace flowrelay::cli {

/// An option of a command, or one of its arguments. A copy means the same option; it lives as long
/// as the parser.
class Option {
public:
    explicit Option(CLI::Option* option) : option_(option) {}

    Option required() const;
    Option type_name(const char* name) const;  ///< what the help calls its value
    Option group(const char* name) const;      ///< under which heading the help has it
    Option needs(Option other) const;          ///< means nothing without the other one
    Option one_value() const;                  ///< of a list: each value has the option before it
    Option not_empty() const;                  ///< as a variable of a shell that is not set is
    Option whole_number() const;               ///< from 0 to 999,999,999
    Option per_cent() const;                   ///< from 0 to 100, perhaps with decimals
    Option between(unsigned least, unsigned most) const;
    Option one_of(const std::vector<std::string>& values) const;

    /// Whether it was there. Only once the command line was read.
    bool given() const;

private:
    CLI::Option* option_;
};

/// A command, or the program itself. A copy means the same command; it lives as long as the parser.
class Command {
public:
    explicit Command(CLI::App* app) : app_(app) {}

    Command add_subcommand(const char* name, const std::string& help) const;
    void require_subcommand() const;

    /// `names` is like "-q,--quiet", or a word without dashes for an argument. `value` keeps what
    /// it is unless the option is there.
    Option add_option(const char* names, std::string& value, const std::string& help) const;
    Option add_option(const char* names, std::optional<std::string>& value,
                      const std::string& help) const;
    Option add_option(const char* names, std::vector<std::string>& value,
                      const std::string& help) const;
    Option add_option(const char* names, unsigned& value, const std::string& help) const;
    Option add_option(const char* names, std::uint64_t& value, const std::string& help) const;
    Option add_option(const char* names, double& value, const std::string& help) const;
    Option add_flag(const char* names, bool& value, const std::string& help) const;

    void footer(const std::string& text) const;  ///< where its help ends
    void callback(std::function<void()> chosen) const;

private:
    CLI::App* app_;
};

}  // namespace flowrelay::cli
