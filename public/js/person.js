// What needs a person, in one module, which main.js asks for after the posts: signing in, writing, one's own posts, keys.

import './composer.js';
import './own.js';
import './allposts.js';
import './keys.js';

export { connect } from './session.js';
