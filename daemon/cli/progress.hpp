// The progress bar of `flowrelay send`, shown on a terminal when sending takes long.
#pragma once

#include <cstdint>
#include <string>

#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// Progress of the sending.
struct ProgressState {
    std::uint64_t events = 0;       ///< answered
    std::uint64_t bytes = 0;        ///< of the input, answered
    std::uint64_t total_bytes = 0;  ///< of the input; 0: unknown
    Milliseconds elapsed{0};
};

/// Returns "[#####     ]  52%  12345 events, 33000/s, 2s left", at most `width` columns. Pure.
std::string render_progress(const ProgressState& state, int width);

/// Used by one thread.
class Progress {
public:
    /// Draws on stderr if that is a terminal and `wanted`.
    Progress(bool wanted, std::uint64_t total_bytes, MonoTime start);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    bool active() const noexcept { return active_; }

    /// Draws the bar again if enough time has passed.
    void update(std::uint64_t events, std::uint64_t bytes, MonoTime now);

    /// Erases the bar, so that other text can be printed.
    void clear();

private:
    bool active_;
    bool drawn_ = false;
    std::uint64_t total_bytes_;
    MonoTime start_;
    MonoTime next_;
};

}  // namespace flowrelay::cli
