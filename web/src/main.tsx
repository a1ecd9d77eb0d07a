import { createRoot } from 'react-dom/client';
import { client } from './api/client';
import { startLiveUpdates } from './api/live';
import { App } from './app/App';
import { startTexts } from './i18n';
import './ui/base.css';
import './ui/controls.css';
import './ui/parts.css';
import { startAppearance } from './ui/appearance';

startAppearance();
startLiveUpdates();
void client.refresh();
await startTexts();

const root = document.getElementById('root');
if (root) createRoot(root).render(<App />);
