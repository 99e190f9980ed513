// What operators have put into the configuration file: which sources there are, with which tokens,
// and where events go. It stays from one process to the next.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <map>
#include <set>
#include <string>

namespace flowrelay::test {

/// The secret of a token of the simulation, after it was rotated so often.
inline std::string secret_of(std::size_t token, unsigned rotations = 0) {
    return rotations == 0 ? fmt::format("s3cret-{}", token)
                          : fmt::format("s3cret-{}-{}", token, rotations);
}

class Setup {
public:
    void rotate(std::size_t token) { ++rotations_[token]; }
    void move() { ++moves_; }
    void take_out(std::size_t token) { out_.insert(token); }
    void put_back(std::size_t token) { out_.erase(token); }
    void put_all_back() { out_.clear(); }

    std::string secret(std::size_t token) const { return secret_of(token, rotations(token)); }
    std::string destination() const { return fmt::format("https://flowdock-{}.example", moves_); }
    unsigned rotations(std::size_t token) const {
        const auto found = rotations_.find(token);
        return found == rotations_.end() ? 0 : found->second;
    }
    unsigned moves() const noexcept { return moves_; }
    /// False: its source is not in the configuration.
    bool has(std::size_t token) const { return !out_.contains(token); }

private:
    std::map<std::size_t, unsigned> rotations_;
    unsigned moves_ = 0;
    std::set<std::size_t> out_;
};

}  // namespace flowrelay::test
