// The ledger on disk: one small file that is replaced as a whole, in a directory that one process
// has for itself. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "pages/ledger.hpp"

namespace flowrelay::pages {

class LedgerFile {
public:
    /// Reads what is there. Throws std::runtime_error: another process has the directory, or the
    /// file is damaged; it is never replaced by an empty one.
    explicit LedgerFile(const std::string& directory);

    /// Shows the ledger to `look`, which must not call back.
    void read(const std::function<void(const Ledger&)>& look) const;

    /// Has the ledger changed; false of `change` leaves it as it was. Returns once the change is
    /// durable. Error: it is not, and was undone.
    Result<void> change(const std::function<bool(Ledger&)>& change);

    /// Returns the names of the sources whose invitations were in use when the last process ended.
    const std::vector<std::string>& interrupted() const noexcept { return interrupted_; }

private:
    mutable std::mutex mutex_;
    std::unique_ptr<storage::FileSystem> files_;
    std::shared_ptr<void> lock_;
    std::string path_;
    Ledger ledger_;
    std::vector<std::string> interrupted_;
};

}  // namespace flowrelay::pages
