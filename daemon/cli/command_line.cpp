#include "cli/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

namespace flowrelay::cli {

Option Option::required() const {
    option_->required();
    return *this;
}

Option Option::type_name(const char* name) const {
    option_->type_name(name);
    return *this;
}

Option Option::group(const char* name) const {
    option_->group(name);
    return *this;
}

Option Option::needs(Option other) const {
    option_->needs(other.option_);
    return *this;
}

Option Option::one_value() const {
    option_->allow_extra_args(false);
    return *this;
}

Option Option::not_empty() const {
    option_->check([](const std::string& text) {
        return std::string(text.empty() ? "is empty: leave it out, or give it a value" : "");
    });
    return *this;
}

// CLI11 alone would read "-1" as a very large number, and a number out of range as the maximum.
Option Option::whole_number() const {
    option_->check([](const std::string& text) {
        const bool fits = !text.empty() && text.size() <= 9 &&
                          text.find_first_not_of("0123456789") == std::string::npos;
        return fits ? std::string() : "\"" + text + "\" is not a whole number from 0 to 999999999";
    });
    return *this;
}

Option Option::per_cent() const {
    option_->check([](const std::string& text) {
        const bool digits = !text.empty() && text.size() <= 9 && text.front() != '.' &&
                            text.find_first_not_of("0123456789.") == std::string::npos &&
                            std::count(text.begin(), text.end(), '.') <= 1;
        return digits && std::stod(text) <= 100 ? std::string()
                                                : "\"" + text + "\" is not a number from 0 to 100";
    });
    return *this;
}

Option Option::between(unsigned least, unsigned most) const {
    option_->check(CLI::Range(least, most).description(""));
    return *this;
}

Option Option::one_of(const std::vector<std::string>& values) const {
    option_->check(CLI::IsMember(values).description(""));
    return *this;
}

bool Option::given() const {
    return option_->count() > 0;
}

Command Command::add_subcommand(const char* name, const std::string& help) const {
    return Command(app_->add_subcommand(name, help));
}

void Command::require_subcommand() const {
    app_->require_subcommand(1);
}

Option Command::add_option(const char* names, std::string& value, const std::string& help) const {
    return Option(app_->add_option(names, value, help));
}

Option Command::add_option(const char* names, std::optional<std::string>& value,
                           const std::string& help) const {
    return Option(app_->add_option(names, value, help));
}

Option Command::add_option(const char* names, std::vector<std::string>& value,
                           const std::string& help) const {
    return Option(app_->add_option(names, value, help));
}

Option Command::add_option(const char* names, unsigned& value, const std::string& help) const {
    return Option(app_->add_option(names, value, help));
}

Option Command::add_option(const char* names, std::uint64_t& value, const std::string& help) const {
    return Option(app_->add_option(names, value, help));
}

Option Command::add_option(const char* names, double& value, const std::string& help) const {
    return Option(app_->add_option(names, value, help));
}

Option Command::add_flag(const char* names, bool& value, const std::string& help) const {
    return Option(app_->add_flag(names, value, help));
}

void Command::footer(const std::string& text) const {
    app_->footer(text);
}

void Command::callback(std::function<void()> chosen) const {
    app_->callback(std::move(chosen));
}

}  // namespace flowrelay::cli
