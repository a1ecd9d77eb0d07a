//! A live lesson: scheduled → live ⇄ break → ended, or cancelled before it starts.
