// The interface with which commands define their options. CLI11 parses them. Only command_line.cpp
// and main.cpp include its headers, because they take longer to compile than any command.
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

/// An option or argument of a command. Copies refer to the same option. Valid as long as the
/// parser.
class Option {
public:
    explicit Option(CLI::Option* option) : option_(option) {}

    Option required() const;
    Option type_name(const char* name) const;  ///< name of its value in the help
    Option group(const char* name) const;      ///< its heading in the help
    Option needs(Option other) const;          ///< invalid without the other option
    Option one_value() const;                  ///< for a list: repeat the option for each value
    Option not_empty() const;                  ///< catches an unset shell variable
    Option whole_number() const;               ///< from 0 to 999,999,999
    Option per_cent() const;                   ///< from 0 to 100, decimals allowed
    Option between(unsigned least, unsigned most) const;
    Option one_of(const std::vector<std::string>& values) const;

    /// Returns whether the option was given. Valid after the command line was parsed.
    bool given() const;

private:
    CLI::Option* option_;
};

/// A command, or the program itself. Copies refer to the same command. Valid as long as the parser.
class Command {
public:
    explicit Command(CLI::App* app) : app_(app) {}

    Command add_subcommand(const char* name, const std::string& help) const;
    void require_subcommand() const;

    /// Adds an option. `names` is like "-q,--quiet", or a word without dashes for an argument.
    /// `value` stays unchanged if the option is absent.
    Option add_option(const char* names, std::string& value, const std::string& help) const;
    Option add_option(const char* names, std::optional<std::string>& value,
                      const std::string& help) const;
    Option add_option(const char* names, std::vector<std::string>& value,
                      const std::string& help) const;
    Option add_option(const char* names, unsigned& value, const std::string& help) const;
    Option add_option(const char* names, std::uint64_t& value, const std::string& help) const;
    Option add_option(const char* names, double& value, const std::string& help) const;
    Option add_flag(const char* names, bool& value, const std::string& help) const;

    void footer(const std::string& text) const;  ///< last part of its help
    void callback(std::function<void()> chosen) const;

private:
    CLI::App* app_;
};

}  // namespace flowrelay::cli
