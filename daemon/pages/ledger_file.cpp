#include "pages/ledger_file.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>

#include "flowrelay/storage/replace_file.hpp"

namespace flowrelay::pages {

namespace {

template <class T>
T or_throw(Result<T> result) {
    if (result.has_error()) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

std::string read_whole(storage::FileSystem& files, const std::string& path) {
    const auto file = or_throw(files.open_read_only(path));
    std::string text(or_throw(file->size()), '\0');
    const std::size_t got = or_throw(
        file->read_at(0, std::span(reinterpret_cast<std::uint8_t*>(text.data()), text.size())));
    text.resize(got);
    return text;
}

}  // namespace

LedgerFile::LedgerFile(const std::string& directory)
    : files_(storage::make_posix_file_system()), path_(directory + "/pages.json") {
    const auto made = files_->make_directory(directory);
    if (made.has_error()) throw std::runtime_error(made.error().message);
    lock_ = or_throw(files_->lock(directory + "/lock"));
    if (!or_throw(files_->exists(path_))) return;
    auto ledger = Ledger::from_text(read_whole(*files_, path_));
    if (ledger.has_error()) {
        throw std::runtime_error(
            fmt::format("{} {}: move it away, which ends the invitations that are open, or put a "
                        "copy in its place",
                        path_, ledger.error().message));
    }
    ledger_ = std::move(*ledger);
    interrupted_ = ledger_.reopen_all();
    // If this fails, they are reported again after the next start.
    if (!interrupted_.empty()) static_cast<void>(change([](Ledger&) { return true; }));
}

void LedgerFile::read(const std::function<void(const Ledger&)>& look) const {
    const std::lock_guard guard(mutex_);
    look(ledger_);
}

Result<void> LedgerFile::change(const std::function<bool(Ledger&)>& change) {
    const std::lock_guard guard(mutex_);
    Ledger changed = ledger_;
    if (!change(changed)) return {};
    const std::string text = changed.to_text();
    auto written = storage::replace_file(
        *files_, path_, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
    if (written.has_error()) return written;
    ledger_ = std::move(changed);
    return {};
}

}  // namespace flowrelay::pages
