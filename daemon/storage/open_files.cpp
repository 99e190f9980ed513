#include "open_files.hpp"

#include <algorithm>
#include <list>
#include <span>
#include <unordered_map>
#include <utility>

namespace flowrelay::storage {

namespace {

enum class Access { read_only, read_write };

Result<std::unique_ptr<File>> open_below(FileSystem& below, const std::string& path,
                                         Access access) {
    return access == Access::read_only ? below.open_read_only(path) : below.open(path);
}

}  // namespace

/// All handles, by name and by last use.
class OpenFiles::Table {
public:
    Table(FileSystem& below, std::size_t max_open) : below_(below), max_open_(max_open) {}

    std::size_t open_now() const noexcept { return recent_.size() + nameless_; }

    /// Opens a file. Closes other files if no descriptor is left.
    template <class Open>
    Result<std::unique_ptr<File>> open(Open open_it) {
        auto file = open_it();
        while (file.has_error() && is_out_of_descriptors(file.error().code) && close_one()) {
            file = open_it();
        }
        return file;
    }

    void add(Handle& handle);
    void forget(Handle& handle);
    Result<File*> use(Handle& handle);
    void trim();

    /// Opens the handles of a name that is about to be removed or replaced, and keeps them open
    /// until release().
    using Handles = std::vector<Handle*>;
    Result<Handles> hold(const std::string& path);
    /// `gone`: the name was removed or belongs to another file now.
    void release(const Handles& handles, bool gone);
    void rename(const std::string& from, const std::string& to);

private:
    Handles named(const std::string& path) const;
    void take_out(Handle& handle);
    bool close_one();

    FileSystem& below_;
    std::size_t max_open_;
    std::list<Handle*> recent_;  ///< open handles with a name, last used first
    std::size_t nameless_ = 0;
    std::unordered_multimap<std::string, Handle*> names_;
};

class OpenFiles::Handle final : public File {
public:
    Handle(Table& table, std::unique_ptr<File> file, std::string path, Access access)
        : table_(table), file_(std::move(file)), path_(std::move(path)), access_(access) {
        table_.add(*this);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() override { table_.forget(*this); }

    Result<void> write_at(std::uint64_t offset, std::span<const std::uint8_t> bytes) override {
        const auto file = table_.use(*this);
        if (file.has_error()) return file.error();
        unsynced_ = true;
        return (*file)->write_at(offset, bytes);
    }
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
        const auto file = table_.use(*this);
        if (file.has_error()) return file.error();
        return (*file)->read_at(offset, out);
    }
    Result<void> sync() override {
        const auto file = table_.use(*this);
        if (file.has_error()) return file.error();
        auto done = (*file)->sync();
        if (done.has_value()) unsynced_ = false;
        return done;
    }
    Result<void> allocate(std::uint64_t size) override {
        const auto file = table_.use(*this);
        if (file.has_error()) return file.error();
        unsynced_ = true;
        return (*file)->allocate(size);
    }
    Result<void> truncate(std::uint64_t size) override {
        const auto file = table_.use(*this);
        if (file.has_error()) return file.error();
        unsynced_ = true;
        return (*file)->truncate(size);
    }
    Result<std::uint64_t> size() override {
        const auto file = table_.use(*this);
        if (file.has_error()) return file.error();
        return (*file)->size();
    }

private:
    friend class Table;

    Table& table_;
    std::unique_ptr<File> file_;  ///< null: closed
    std::string path_;            ///< empty: it has no name any more
    Access access_;
    bool unsynced_ = false;
    bool held_ = false;
    std::list<Handle*>::iterator place_;  ///< in recent_, while it is open
};

void OpenFiles::Table::add(Handle& handle) {
    names_.emplace(handle.path_, &handle);
    handle.place_ = recent_.insert(recent_.begin(), &handle);
    trim();
}

void OpenFiles::Table::forget(Handle& handle) {
    if (handle.path_.empty()) {
        --nameless_;
        return;
    }
    if (handle.file_) recent_.erase(handle.place_);
    take_out(handle);
}

Result<File*> OpenFiles::Table::use(Handle& handle) {
    if (handle.file_) {
        if (!handle.path_.empty()) recent_.splice(recent_.begin(), recent_, handle.place_);
        return handle.file_.get();
    }
    auto opened =
        open([this, &handle] { return open_below(below_, handle.path_, handle.access_); });
    if (opened.has_error()) return opened.error();
    handle.file_ = std::move(*opened);
    handle.place_ = recent_.insert(recent_.begin(), &handle);
    trim();
    return handle.file_.get();
}

/// Closes files above the limit, but never the file used last.
void OpenFiles::Table::trim() {
    while (recent_.size() > std::max<std::size_t>(1, max_open_) && close_one()) {
    }
}

bool OpenFiles::Table::close_one() {
    for (auto at = recent_.end(); at != recent_.begin();) {
        --at;
        Handle& handle = **at;
        if (handle.unsynced_ || handle.held_ || at == recent_.begin()) continue;
        handle.file_.reset();
        recent_.erase(at);
        return true;
    }
    return false;
}

OpenFiles::Table::Handles OpenFiles::Table::named(const std::string& path) const {
    Handles found;
    const auto [begin, end] = names_.equal_range(path);
    for (auto at = begin; at != end; ++at) found.push_back(at->second);
    return found;
}

Result<OpenFiles::Table::Handles> OpenFiles::Table::hold(const std::string& path) {
    Handles handles = named(path);
    for (Handle* handle : handles) {
        const auto file = use(*handle);
        if (file.has_error()) {
            release(handles, false);
            return file.error();
        }
        handle->held_ = true;
    }
    return handles;
}

void OpenFiles::Table::release(const Handles& handles, bool gone) {
    for (Handle* handle : handles) {
        handle->held_ = false;
        if (!gone) continue;
        take_out(*handle);
        recent_.erase(handle->place_);
        handle->path_.clear();
        ++nameless_;
    }
    trim();
}

void OpenFiles::Table::rename(const std::string& from, const std::string& to) {
    for (Handle* handle : named(from)) {
        take_out(*handle);
        handle->path_ = to;
        names_.emplace(to, handle);
    }
}

void OpenFiles::Table::take_out(Handle& handle) {
    const auto [begin, end] = names_.equal_range(handle.path_);
    names_.erase(
        std::find_if(begin, end, [&](const auto& item) { return item.second == &handle; }));
}

OpenFiles::OpenFiles(FileSystem& below, std::size_t max_open)
    : below_(below), table_(std::make_unique<Table>(below, max_open)) {}

OpenFiles::~OpenFiles() = default;

std::size_t OpenFiles::open_now() const noexcept {
    return table_->open_now();
}

Result<std::unique_ptr<File>> OpenFiles::create(const std::string& path) {
    auto file = table_->open([&] { return below_.create(path); });
    if (file.has_error()) return file;
    return std::unique_ptr<File>(
        std::make_unique<Handle>(*table_, std::move(*file), path, Access::read_write));
}

Result<std::unique_ptr<File>> OpenFiles::open(const std::string& path) {
    auto file = table_->open([&] { return below_.open(path); });
    if (file.has_error()) return file;
    return std::unique_ptr<File>(
        std::make_unique<Handle>(*table_, std::move(*file), path, Access::read_write));
}

Result<std::unique_ptr<File>> OpenFiles::open_read_only(const std::string& path) {
    auto file = table_->open([&] { return below_.open_read_only(path); });
    if (file.has_error()) return file;
    return std::unique_ptr<File>(
        std::make_unique<Handle>(*table_, std::move(*file), path, Access::read_only));
}

Result<void> OpenFiles::rename(const std::string& from, const std::string& to) {
    const auto replaced = table_->hold(to);
    if (replaced.has_error()) return replaced.error();
    auto done = below_.rename(from, to);
    table_->release(*replaced, done.has_value());
    if (done.has_value()) table_->rename(from, to);
    return done;
}

Result<void> OpenFiles::remove(const std::string& path) {
    const auto removed = table_->hold(path);
    if (removed.has_error()) return removed.error();
    auto done = below_.remove(path);
    table_->release(*removed, done.has_value());
    return done;
}

}  // namespace flowrelay::storage
