// The contents of the configuration file: the sources with their tokens, and the destination.
// Persists from one process to the next.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "flowrelay/core/event_filter.hpp"

namespace flowrelay::test {

/// Returns the secret of a token. No secret is a prefix of another.
inline std::string secret_of(std::size_t token) {
    return fmt::format("s3cret-{}.", token);
}

/// Most of the first names are those of routes; there is no source-6.
inline std::string source_name(std::size_t number) {
    constexpr std::array first{"source-0",   "source-0/1", "source-2",   "source-0/3",
                               "source-2/4", "source-5",   "source-6/6", "source-6/7"};
    return number < first.size() ? first.at(number) : fmt::format("source-{}", number);
}

/// Filter n (0: none) lets the events pass that have the tag `pass-n`: two of three.
inline constexpr unsigned filters_there_are = 3;

inline bool lets_pass(unsigned filter, std::uint64_t number) {
    return filter == 0 || number % filters_there_are != filter - 1;
}

inline core::KnownFilter filter_number(unsigned filter) {
    core::EventFilter made;
    if (filter != 0) made.tags.push_back(fmt::format("pass-{}", filter));
    return core::known_filter(std::move(made));
}

/// The tags of an event, as JSON.
inline std::string tags_of(std::uint64_t number) {
    std::string tags;
    for (unsigned filter = 1; filter <= filters_there_are; ++filter) {
        if (!lets_pass(filter, number)) continue;
        tags += fmt::format(R"({}"#Pass-{}")", tags.empty() ? "" : ",", filter);
    }
    return fmt::format("[{}]", tags);
}

class Setup {
public:
    using Sources = std::map<std::string, std::size_t>;  ///< the token for each name

    /// Returns an unused token.
    std::size_t new_token() { return tokens_++; }
    std::size_t tokens() const noexcept { return tokens_; }

    const Sources& sources() const noexcept { return sources_; }
    bool has(const std::string& name) const { return sources_.contains(name); }
    /// Sets the token of a source, and removes any other source with that token.
    void set(const std::string& name, std::size_t token) {
        std::erase_if(sources_, [&](const auto& item) { return item.second == token; });
        sources_[name] = token;
    }
    void take_out(const std::string& name) { sources_.erase(name); }
    void replace(Sources sources) { sources_ = std::move(sources); }

    void set_filter(const std::string& name, unsigned filter) { filters_[name] = filter; }
    unsigned filter_of(const std::string& name) const {
        const auto found = filters_.find(name);
        return found == filters_.end() ? 0 : found->second;
    }

    void move() { ++moves_; }
    std::string destination() const { return fmt::format("https://flowdock-{}.example", moves_); }
    unsigned moves() const noexcept { return moves_; }

private:
    Sources sources_;
    std::map<std::string, unsigned> filters_;  ///< of each name
    std::size_t tokens_ = 0;
    unsigned moves_ = 0;
};

}  // namespace flowrelay::test
